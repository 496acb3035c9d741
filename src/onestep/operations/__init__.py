"""Operations: what makes the service run well in a container. Knows no domain app, sample data apart."""
