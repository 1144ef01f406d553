"""Reports: a run, made readable. In: a run. Out: text on a console, lines of progress, other tools' files as bytes."""
