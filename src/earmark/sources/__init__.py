"""What listeners like, from the services that tell: clients, secrets, a cache that forgets, files of likes."""
