// What makes the pages better where there is a script.
