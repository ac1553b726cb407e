"""What several labs need to know and explain; what one lab alone needs stays in its folder."""
