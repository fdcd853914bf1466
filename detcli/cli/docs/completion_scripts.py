"""Completion scripts for bash, zsh and fish; they are static, so pressing TAB starts no Python."""

from collections.abc import Callable, Iterator, Mapping

from detcli.cli.docs.command_tree import CommandNode, FlagInfo, ValueChoices

_NOTE = 'Written by "python -m detcli.cli.docs.generate" from the command tree; do not edit.'


def bash(root: CommandNode) -> str:
    """The script for bash 3.2 and newer; without a match, bash completes file names."""
    values, flags, words = [], [], []
    for branch in root.walk():
        here = " ".join(branch.path)
        for flag in branch.flags:
            if flag.values.words:
                names = "|".join(f'"{here}:{name}"' for name in flag.names)
                values.append(f'        {names}) words="{" ".join(flag.values.words)}" ;;')
            elif flag.metavars:
                names = "|".join(f'"{here}:{name}"' for name in flag.names)
                values.append(f"        {names}) return ;;")
        flags.append(
            f'            "{here}") words="{" ".join(name for flag in branch.flags for name in flag.names)}" ;;'
        )
        offered = [name for child in branch.children for name in (child.name, *child.aliases)]
        offered += [word for place in branch.places for word in place.words]
        if offered:
            words.append(f'            "{here}") words="{" ".join(offered)}" ;;')
    steps = [f'            {names}) here="{" ".join(branch.path)}" ;;' for names, branch in _steps(root)]
    return "\n".join(
        [
            f"# bash completion for detcli. {_NOTE}",
            "_detcli() {",
            '    local here="detcli" words="" word i cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"',
            '    if [[ $cur == "=" ]]; then cur=""',
            '    elif [[ $prev == "=" ]]; then prev="${COMP_WORDS[COMP_CWORD-2]}"; fi',
            "    for ((i = 1; i < COMP_CWORD; i++)); do",
            '        word="${COMP_WORDS[i]}"',
            '        case "$here $word" in',
            *steps,
            "        esac",
            "    done",
            "    COMPREPLY=()",
            '    case "$here:$prev" in',
            *values,
            "    esac",
            "    if [[ -z $words && $cur == -* ]]; then",
            '        case "$here" in',
            *flags,
            "        esac",
            "    elif [[ -z $words ]]; then",
            '        case "$here" in',
            *words,
            "        esac",
            "    fi",
            '    COMPREPLY=($(compgen -W "$words" -- "$cur"))',
            "}",
            "complete -o bashdefault -o default -F _detcli detcli",
            "",
        ]
    )


def _steps(root: CommandNode) -> Iterator[tuple[str, CommandNode]]:
    """Patterns of the words that lead from a command to a subcommand."""
    for branch in root.walk():
        for child in branch.children:
            names = (child.name, *child.aliases)
            yield "|".join(f'"{" ".join((*branch.path, name))}"' for name in names), child


def zsh(root: CommandNode) -> str:
    """The script for zsh; sourced, or installed as `_detcli` in a folder of fpath."""
    lines = ["#compdef detcli", f"# {_NOTE}", ""]
    for branch in root.walk():
        lines += _zsh_function(branch)
    lines += ['if [[ $funcstack[1] == _detcli ]]; then _detcli "$@"; else compdef _detcli detcli; fi', ""]
    return "\n".join(lines)


def _zsh_function(branch: CommandNode) -> Iterator[str]:
    yield f"_{'_'.join(branch.path)}() {{"
    specs = [spec for flag in branch.flags for spec in _zsh_flag(flag)]
    if not branch.children:
        specs += [
            f"'*:{'model' if place.kind == 'models' else 'argument'}:{_zsh_values(place)}'" for place in branch.places
        ]
        yield "    _arguments -s -S \\"
        yield " \\\n".join(f"        {spec}" for spec in specs)
        yield "}\n"
        return
    yield "    local context state state_descr line"
    yield "    typeset -A opt_args"
    yield "    _arguments -C -s -S \\"
    yield " \\\n".join(f"        {spec}" for spec in (*specs, "'1: :->command'", "'*:: :->rest'"))
    yield "    case $state in"
    yield "        command)"
    yield "            local -a commands"
    yield "            commands=("
    for child in branch.children:
        for name in (child.name, *child.aliases):
            yield f"                '{name}:{_zsh_text(child.summary)}'"
    yield "            )"
    yield "            _describe -t commands command commands ;;"
    yield "        rest)"
    yield "            case $words[1] in"
    for child in branch.children:
        yield f"                {'|'.join((child.name, *child.aliases))}) _{'_'.join(child.path)} ;;"
    yield "            esac ;;"
    yield "    esac"
    yield "}\n"


def _zsh_flag(flag: FlagInfo) -> Iterator[str]:
    takes = "".join(f":{_zsh_text(metavar)}:{_zsh_values(flag.values)}" for metavar in flag.metavars)
    text = _zsh_text(flag.help)
    others = "" if flag.repeats or len(flag.names) == 1 else f"({' '.join(flag.names)})"
    for name in flag.names:
        yield f"'{'*' if flag.repeats else others}{name}[{text}]{takes}'"


def _zsh_values(values: ValueChoices) -> str:
    if values.kind == "words":
        return f"({' '.join(word.replace(':', chr(92) + ':') for word in values.words)})"
    models = f"{{compadd -- {' '.join(values.words)}; _files}}"
    return {"files": "_files", "folders": "_files -/", "models": models, "nothing": " "}[values.kind]


def _zsh_text(text: str) -> str:
    for character in "\\[]:":
        text = text.replace(character, "\\" + character)
    return text.replace("'", "'\\''")


def fish(root: CommandNode) -> str:
    """The script for fish."""
    lines = [
        f"# fish completion for detcli. {_NOTE}",
        "function __detcli_at --description 'Whether the words so far name this command'",
        "    set -l here detcli",
        "    for word in (commandline -opc)[2..-1]",
        '        switch "$here $word"',
    ]
    for names, branch in _steps(root):
        patterns = " ".join(part.replace('"', "'") for part in names.split("|"))
        lines.append(f"            case {patterns}")
        lines.append(f"                set here '{' '.join(branch.path)}'")
    lines += ["        end", "    end", '    test "$here" = "$argv"', "end", "complete -c detcli -f"]
    for branch in root.walk():
        lines += _fish_branch(branch)
    return "\n".join(lines) + "\n"


def _fish_branch(branch: CommandNode) -> Iterator[str]:
    start = f"complete -c detcli -n '__detcli_at {' '.join(branch.path)}'"
    for child in branch.children:
        for name in (child.name, *child.aliases):
            yield f"{start} -a {name} -d {_fish_text(child.summary)}"
    for place in branch.places:
        yield start + _fish_values(place)
    for flag in branch.flags:
        names = "".join(f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in flag.names)
        yield f"{start}{names}{' -r' if flag.metavars else ''}{_fish_values(flag.values)} -d {_fish_text(flag.help)}"


def _fish_values(values: ValueChoices) -> str:
    if values.kind == "words":
        return f" -f -a '{' '.join(values.words)}'"
    if values.kind == "models":
        return f" -F -a '{' '.join(values.words)}'"
    if values.kind == "folders":
        return " -f -a '(__fish_complete_directories)'"
    return " -F" if values.kind == "files" else ""


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: Mapping[str, Callable[[CommandNode], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
FILE_NAMES: Mapping[str, str] = {"bash": "detcli.bash", "zsh": "_detcli", "fish": "detcli.fish"}
