"""All that can be said of a fit without torch: names, recipes, and how objectives and schedules are written."""
