"""What a person sees: messages, progress, tables, charts, pages."""
