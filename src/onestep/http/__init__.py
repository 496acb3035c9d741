"""What every answer of the API has in common: problems, paging, filters, ETags, JSON, permissions, the OpenAPI schema."""
