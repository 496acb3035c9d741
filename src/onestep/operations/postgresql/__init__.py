"""Django's PostgreSQL backend with OneStep's time limits."""
