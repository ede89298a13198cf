"""More than forty config.toml files of the kinds in Codex's documentation, by what they are about."""

from __future__ import annotations

FILES: dict[str, str] = {
    "empty": "",
    "model": 'model = "gpt-6.2-sol"\nmodel_reasoning_effort = "high"\nmodel_verbosity = "low"\n',
    "summaries": 'model_reasoning_summary = "detailed"\nplan_mode_reasoning_effort = "xhigh"\n',
    "window": "model_context_window = 128_000\nmodel_auto_compact_token_limit = 0x10000\n",
    "policy": 'approval_policy = "on-request"\nsandbox_mode = "workspace-write"\n',
    "never": 'approval_policy = "never"\nsandbox_mode = "danger-full-access"\n',
    "granular": (
        "approval_policy = { granular = { sandbox_approval = true, rules = false, mcp_elicitations = true } }\n"
    ),
    "workspace": (
        'sandbox_mode = "workspace-write"\n[sandbox_workspace_write]\nnetwork_access = true\n'
        'writable_roots = ["~/.pyenv/shims", "./rel", "/abs/../x"]\nexclude_slash_tmp = true\n'
    ),
    "provider": (
        'model = "gpt-5"\nmodel_provider = "proxy"\n[model_providers.proxy]\nname = "Proxy"\n'
        'base_url = "http://proxy.example.com/v1"\nenv_key = "OPENAI_API_KEY"\n'
        "request_max_retries = 4\nstream_max_retries = 10\nstream_idle_timeout_ms = 300000\n"
    ),
    "azure": (
        '[model_providers.azure]\nname = "Azure"\nbase_url = "https://p.openai.azure.com/openai"\n'
        'env_key = "AZURE_OPENAI_API_KEY"\nwire_api = "responses"\n'
        "env_key_instructions = 'Ask.'\nsupports_websockets = false\n"
    ),
    "stdio server": (
        '[mcp_servers.context7]\ncommand = "npx"\nargs = ["-y", "@upstash/context7-mcp"]\n'
        'cwd = "/srv"\nstartup_timeout_sec = 20\ntool_timeout_sec = 45.5\nenabled = true\n'
        'enabled_tools = ["a"]\ndisabled_tools = ["b"]\n'
    ),
    "http server": (
        '[mcp_servers.figma]\nurl = "https://mcp.figma.com/mcp"\nbearer_token_env_var = "FIGMA_TOKEN"\n'
        'required = true\nscopes = ["read"]\n[mcp_servers.figma.tools.x]\napproval_mode = "approve"\n'
    ),
    "server off": '[mcp_servers.a-b_c]\ncommand = "x"\nenabled = false\n',
    "trust": (
        '[projects."/srv/code.with.dots"]\ntrust_level = "trusted"\n'
        "[projects.'/x']\ntrust_level = \"untrusted\"\n"
    ),
    "features": "[features]\nunified_exec = true\nshell_tool = false\nmemories = true\nundo = false\n",
    "notify": 'notify = ["python3", "/srv/notify.py"]\n',
    "tui": (
        '[tui]\nnotifications = ["agent-turn-complete"]\nnotification_method = "bel"\nanimations = false\n'
        'alternate_screen = "never"\nstatus_line = ["model", "cwd"]\ntheme = "dark"\n'
    ),
    "tui bool": "[tui]\nnotifications = false\nshow_tooltips = false\n",
    "keymap": '[tui.keymap.composer]\nsubmit = "ctrl-s"\nqueue = ["tab", "ctrl-q"]\n',
    "history": '[history]\npersistence = "none"\nmax_bytes = 104857600\n',
    "environment": (
        '[shell_environment_policy]\ninherit = "core"\nignore_default_excludes = true\n'
        'exclude = ["AWS_*"]\ninclude_only = ["PATH", "HOME"]\nset = { CI = "1" }\n'
    ),
    "otel none": '[otel]\nenvironment = "staging"\nexporter = "none"\nlog_user_prompt = false\n',
    "otel http": (
        '[otel]\nexporter = { otlp-http = { endpoint = "https://c/v1/logs", protocol = "binary" } }\n'
        'trace_exporter = { otlp-grpc = { endpoint = "https://c:4317" } }\n'
    ),
    "otel over lines": (
        '[otel]\nexporter = { otlp-http = {\n  endpoint = "https://o/v1/logs", # a comment\n'
        '  protocol = "json",\n  tls = { ca-certificate = "ca.pem" },\n}}\n'
    ),
    "older values": ('approval_policy = "on-failure"\napprovals_reviewer = "guardian_subagent"\n'),
    "web search": 'web_search = "live"\n[tools.web_search]\ncontext_size = "high"\n',
    "web table": '[tools]\nweb_search = { allowed_domains = ["a.org"], location = { country = "DE" } }\n',
    "older tools": "[tools]\nweb_search = true\nview_image = false\n",
    "instructions": 'developer_instructions = """\nBe brief.\nUse `make`.\n"""\ncompact_prompt = \'Sum up\'\n',
    "documents": (
        'project_doc_max_bytes = 65536\nproject_doc_fallback_filenames = ["TEAM.md"]\n'
        'project_root_markers = [".git", ".hg"]\n'
    ),
    "no roots": "project_root_markers = []\nproject_doc_max_bytes = 0\n",
    "credentials": (
        'cli_auth_credentials_store = "keyring"\nmcp_oauth_credentials_store = "file"\n'
        'forced_login_method = "chatgpt"\nmcp_oauth_callback_port = 8123\n'
    ),
    "reasoning": "hide_agent_reasoning = true\nshow_raw_agent_reasoning = true\n",
    "agents": (
        "[agents]\nmax_threads = 4\nmax_depth = 2\n[agents.reviewer]\ndescription = 'Reviews.'\n"
        'config_file = "./reviewer.toml"\n'
    ),
    "skills": '[[skills.config]]\npath = "/s/one"\nenabled = false\n[[skills.config]]\nname = "two"\nenabled = true\n',
    "apps": "[apps._default]\nenabled = false\n[apps.drive]\nenabled = true\ndefault_tools_enabled = false\n",
    "permissions": (
        'default_permissions = "mine"\n[permissions.mine]\nextends = ":workspace"\n'
        '[permissions.mine.filesystem]\n"/etc" = "read"\n[permissions.mine.network]\nenabled = true\n'
    ),
    "memories": "[memories]\ngenerate_memories = false\nno_memories_if_mcp_or_web_search = true\n",
    "windows": '\ufeff[windows]\nsandbox = "unelevated"\r\n'.replace("\n", "\r\n").replace(
        "\r\r", "\r"
    ),
    "other": (
        'review_model = "gpt-5.5"\nservice_tier = "flex"\nfile_opener = "none"\npersonality = "pragmatic"\n'
        'check_for_update_on_startup = false\ntool_output_token_limit = 12000\nlog_dir = "logs"\n'
        "allow_login_shell = false\noss_provider = 'ollama'\n"
    ),
    "dotted": 'tui.theme = "x"\nanalytics.enabled = false\nfeedback = { enabled = false }\nmodel = "m"\n',
    "hooks": '[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ntype = "command"\ncommand = "say done"\n',
    "unknown": 'model = "m"\nno_such_key = 1\n[no_such_table]\nx = 1\n',
    "notice": '[notice]\nhide_full_access_warning = true\n[notice.model_migrations]\n"gpt-5" = "gpt-6"\n',
}

# What only codexd knows, each beside what both know.
OURS: dict[str, str] = {
    f"{about}, and {other}": f"{text}{FILES[other]}"
    for about, text in {
        "restarts": 'on_restart = "interrupt"\nallow_unsandboxed = true\n',
        "threads": "threads.tools = true\nthreads.max_depth = 2\nthreads.max_children = 3\n",
        "titles": 'titles.by_model = true\ntitles.model = "small"\n',
        "redaction": 'redaction.variables = ["X"]\nredaction.patterns = { mine = "corp-[0-9a-f]{32}" }\n',
        "prices": 'prices."gpt-5" = { input = 1.25, output = 10 }\n',
        "domains": 'features.network_proxy = { enabled = true, domains = { "a.org" = "allow" } }\n',
    }.items()
    for other in (
        "model",
        "provider",
        "stdio server",
        "trust",
        "notify",
        "tui",
        "history",
        "agents",
    )
}
