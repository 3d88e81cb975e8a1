const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/**
 * A duration as kubectl shows ages: two units while the smaller one still matters (`4m12s`,
 * `3d4h`), one beyond (`45m`, `9d`). Up to two seconds in the future count as now.
 */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / SECOND);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 2 * 60) return `${seconds}s`;
  if (milliseconds < 10 * MINUTE) return twoUnits(milliseconds, MINUTE, "m", SECOND, "s");
  if (milliseconds < 3 * HOUR) return oneUnit(milliseconds, MINUTE, "m");
  if (milliseconds < 8 * HOUR) return twoUnits(milliseconds, HOUR, "h", MINUTE, "m");
  if (milliseconds < 2 * DAY) return oneUnit(milliseconds, HOUR, "h");
  if (milliseconds < 8 * DAY) return twoUnits(milliseconds, DAY, "d", HOUR, "h");
  if (milliseconds < 2 * YEAR) return oneUnit(milliseconds, DAY, "d");
  if (milliseconds < 8 * YEAR) return twoUnits(milliseconds, YEAR, "y", DAY, "d");
  return oneUnit(milliseconds, YEAR, "y");
}

function oneUnit(milliseconds: number, unit: number, letter: string): string {
  return `${Math.floor(milliseconds / unit)}${letter}`;
}

function twoUnits(
  milliseconds: number,
  large: number,
  largeLetter: string,
  small: number,
  smallLetter: string,
): string {
  const rest = Math.floor((milliseconds % large) / small);
  const first = oneUnit(milliseconds, large, largeLetter);
  return rest === 0 ? first : `${first}${rest}${smallLetter}`;
}
