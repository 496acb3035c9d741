"""Accounts: who may sign in, with which role, and how often they may try."""
