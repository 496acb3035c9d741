"""Backups and restores of OneStep: one PostgreSQL database and its media files, in a restic repository.

`python3 -m onestep_backup COMMAND`, with Python's standard library alone. It runs psql, pg_dump, pg_restore and restic.

    serve            make backups on a schedule (the container's own command)
    now              make one
    list             a table of the backups
    prepare          read a backup whole, and restore it into a database beside the live one
    wait             wait until no other run is under way
    swap             give that database the live one's name
    swap-back        undo that
    former           print the name of the database that the last restore kept
    live             say which database is live, and which one is kept
    cleanup          remove what a restore kept
    health           the container's health check
"""
