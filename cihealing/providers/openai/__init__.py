"""Models that are asked as OpenAI's are."""
