"""Commands of their own beside the running gateway; each module is imported only when its command is typed. This file imports nothing."""
