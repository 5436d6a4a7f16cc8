"""What suppliers call themselves, and names as parts of account names."""

from __future__ import annotations

import re

_OWN_WORDS = {
    "alibaba": "Alibaba Cloud", "anthropic": "Anthropic", "aws": "AWS", "azure": "Azure", "baidu": "Baidu",
    "bedrock": "Amazon Bedrock", "bytedance": "ByteDance", "cohere": "Cohere", "deepseek": "DeepSeek",
    "google": "Google", "groq": "Groq", "minimax": "MiniMax", "mistral": "Mistral AI",
    "moonshot": "Moonshot AI", "openai": "OpenAI", "openrouter": "OpenRouter", "tencent": "Tencent",
    "together": "Together AI", "xai": "xAI", "zhipu": "Zhipu AI",
}  # fmt: skip


def supplier_name(name: str) -> str:
    """How a supplier writes its name; one that is not known here keeps the name of the books.

    >>> supplier_name("openai"), supplier_name("my-host")
    ('OpenAI', 'my-host')
    """
    return _OWN_WORDS.get(name, name)


def account_part(name: str) -> str:
    """A name as one component of an account: letters, digits and dashes, the first one a capital.

    >>> account_part("openai"), account_part("outside-api"), account_part("阿里云 (GPU)"), account_part("  ")
    ('OpenAI', 'Outside-api', '阿里云-GPU', 'Unnamed')
    """
    plain = re.sub(r"[^0-9A-Za-z\u0080-\U0010ffff]+", "-", supplier_name(name)).strip("-")
    return (plain[:1].upper() + plain[1:]) or "Unnamed"
