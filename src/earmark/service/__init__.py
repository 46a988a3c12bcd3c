"""The service: what the command line does, over HTTP: REST, jobs, the interfaces of players, a page."""
