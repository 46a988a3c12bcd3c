"""The web page of the service: files for the browser, the map, and signing in."""
