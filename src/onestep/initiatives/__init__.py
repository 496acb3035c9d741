"""Initiatives: programs, projects and events, their hierarchy, teams and attachments."""
