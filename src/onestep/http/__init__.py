"""What all answers of the API have in common: problems, pages, filters, ETags, JSON, permissions, the schema."""
