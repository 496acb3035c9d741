"""Backups and restores of OneStep: one PostgreSQL database and its media files, in a restic repository.

`python3 -m onestep_backup COMMAND`, with Python's standard library alone. It runs psql, pg_dump, pg_restore and restic.

    serve            make backups on a schedule (the container's own command)
    now              make one
    list             a table of the backups
    prepare          read a backup whole, and restore it into a database beside the live one
    swap             give that database the live one's name
    swap-back        undo that
    cleanup          remove what a restore kept
    health           the container's health check
"""
