"""Groups: campuses, knowledge areas, groups, their leadership and their members."""
