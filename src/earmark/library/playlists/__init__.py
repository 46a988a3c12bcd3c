"""Playlists, paths between songs, and the files that players read.

candidates    what a playlist is chosen from, and checks of it
moods         "calm:0.2..energetic:0.8", and levels that compare between tags
plan          what every slot of a list asks, and the few thousand tracks that come near it
ordering      beam search and improvement by exchange: which track goes into which slot
making        `make_playlist`
between       `path_between`: from one song to another in even steps
smoothness    how well a list flows
entries       a song as playlist files name it; paths and file URIs
writing       M3U8, PLS, JSPF
reading       these and XSPF
"""
