#!/usr/bin/env node
// The program `cox`: installs and builds what is missing, then hands over to the built program.
import "./bootstrap.mjs";
