"""One name for each provider: every system spells them its own way, the price book knows one.

A name that is not listed stays as it is, in lower case: its usage then shows as unpriced, by that name.
"""

from __future__ import annotations

from breakeven.engine import sql

ALIASES: dict[str, tuple[str, ...]] = {
    "alibaba": ("dashscope", "qwen", "aliyun", "bailian", "alibaba_cloud"),
    "amazon": ("bedrock", "bedrock_converse", "aws.bedrock", "aws", "amazon_bedrock"),
    "anthropic": ("claude",),
    "azure": ("azure.ai.openai", "az.ai.openai", "azure_openai", "azure.openai", "azure_text"),
    "azure_inference": ("azure.ai.inference", "az.ai.inference", "azure_ai"),
    "bytedance": ("volcengine", "doubao", "volcano", "ark", "byteplus"),
    "cohere": ("cohere_chat",),
    "deepseek": (),
    "google": (
        "gemini",
        "vertex_ai",
        "gcp.gemini",
        "gcp.gen_ai",
        "gcp.vertex_ai",
        "vertex_ai_beta",
        "google_ai",
    ),
    "groq": (),
    "minimax": (),
    "mistral": ("mistral_ai", "mistralai"),
    "moonshot": ("moonshotai", "moonshot_ai", "kimi"),
    "openai": ("text-completion-openai", "open_ai"),
    "perplexity": (),
    "tencent": ("hunyuan", "tencent_cloud"),
    "xai": ("x_ai", "x.ai"),
    "zhipu": ("zhipuai", "zai", "z.ai", "bigmodel", "glm"),
}
"""The price book's name, and what else systems call it."""

_NAMES = {alias: name for name, aliases in ALIASES.items() for alias in aliases}


def provider_name(said: str) -> str:
    """The price book's name of a provider.

    >>> provider_name("az.ai.openai"), provider_name("Moonshot"), provider_name("our-gpus")
    ('azure', 'moonshot', 'our-gpus')
    """
    lower = said.strip().lower()
    return _NAMES.get(lower, lower)


def provider_sql(expression: str) -> str:
    """SQL of the same, for an expression that gives text (a layout's `{field}`).

    >>> provider_sql("{provider}")[:36]
    "coalesce(MAP {'dashscope': 'alibaba'"
    """
    said = f"lower(trim({expression}))"
    names = ", ".join(f"{sql.text(alias)}: {sql.text(name)}" for alias, name in _NAMES.items())
    return f"coalesce(MAP {{{names}}}[{said}], {said})"
