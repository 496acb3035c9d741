"""People: who coordinates, staffs and leads."""
