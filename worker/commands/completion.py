"""`railway-neon-sync completion SHELL`: what a shell needs to complete commands, options, runs and dumps."""

import click
from click.shell_completion import get_completion_class

from worker.commands.boundary import debug_option

_VARIABLE = "_RAILWAY_NEON_SYNC_COMPLETE"


@click.command(
    epilog="""
    \b
    Examples:
      eval "$(railway-neon-sync completion bash)"            # in ~/.bashrc
      eval "$(railway-neon-sync completion zsh)"             # in ~/.zshrc, after compinit
      railway-neon-sync completion fish > ~/.config/fish/completions/railway-neon-sync.fish
    """
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@debug_option
@click.pass_context
def completion(ctx: click.Context, *, shell: str) -> None:
    """Print the script that teaches a shell to complete: commands, options, ids of runs, names of dumps."""
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"{shell} is not known")
    click.echo(found(ctx.find_root().command, {}, "railway-neon-sync", _VARIABLE).source())
