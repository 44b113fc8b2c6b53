"""What a call costs, by the price list that genai-prices brings along. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping

PROVIDERS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "openai": "openai",
    "gemini": "google",
    "grok": "x-ai",
}


def usd(
    provider: str, model: str, *, input_tokens: int, output_tokens: int, cached_tokens: int = 0
) -> float | None:
    """`input_tokens` counts the cached ones too. None where nobody knows the price."""
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=max(0, input_tokens),
        output_tokens=max(0, output_tokens),
        cache_read_tokens=max(0, min(cached_tokens, input_tokens)),
    )
    try:
        return float(
            calc_price(usage, model_ref=model, provider_id=PROVIDERS.get(provider)).total_price
        )
    except LookupError:
        return None
