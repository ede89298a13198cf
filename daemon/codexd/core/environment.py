"""What the model is told of where it works."""

from __future__ import annotations

from codexd.core.settings import Settings


def environment_text(settings: Settings, today: str | None) -> str:
    """The environment as models know it: one tagged block, a line a fact."""
    lines = [
        "<environment_context>",
        f"  <cwd>{settings.cwd}</cwd>",
        f"  <approval_policy>{settings.approval_policy}</approval_policy>",
        f"  <sandbox_mode>{settings.sandbox}</sandbox_mode>",
    ]
    if today is not None:
        lines.append(f"  <current_date>{today}</current_date>")
    return "\n".join([*lines, "</environment_context>"])
