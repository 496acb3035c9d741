"""Production on one host, for who runs it: what the Makefile's production targets call.

`python3 -m tools.production COMMAND`, from the checkout, with the standard library alone. It drives `docker compose`
with compose.prod.yml and the operator's folder (`production/`, or the one that PRODUCTION names).
"""
