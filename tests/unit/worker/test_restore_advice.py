"""What `restore` says to type next."""

from worker.commands.restore import _what_next


def test_commands_about_the_backup_database_are_not_named_for_another_one() -> None:
    assert not any("railway-neon-sync" in line for line in _what_next(is_target=False))
    assert any("railway-neon-sync promote" in line for line in _what_next(is_target=True))
