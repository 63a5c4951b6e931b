"""Where jobs and who kills them meet in Redis: counts of calls, pids that may be killed, and whether it is over."""

BEGUN, RETURNED, DOOMED, OVER = "begun", "returned", "doomed", "over"
