"""What each command does, one file a command: ``async def name(target, output, …)``."""
