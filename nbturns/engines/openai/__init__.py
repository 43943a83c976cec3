"""Parts that both of OpenAI's APIs share."""
