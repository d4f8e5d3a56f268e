/**
 * Rules between two options: one at least, or at most, the other.
 *
 * They exist because a queue that breaks them delivers twice or never: a lease that is shorter than
 * an attempt is taken over in the middle of it.
 *
 * @module
 */

import { formatDuration } from "./duration.ts";
import type { Option } from "./option.ts";

type Numbers<All> = { [Key in keyof All]: All[Key] extends number ? Key : never }[keyof All];

type Rule<All> = NonNullable<Option<number, All>["check"]>;

/** The option is at least another, and `plusMs` more where that is given. */
export function atLeast<All>(other: Numbers<All> & string, plusMs = 0): Rule<All> {
  return (value, all, say) => {
    const least = Number(all[other]) + plusMs;
    if (value >= least) return undefined;
    const plus = plusMs === 0 ? "" : ` + ${formatDuration(plusMs)}`;
    return `at least ${say.name(other)}${plus} (${say.value(least)})`;
  };
}

/** The option is at most another. */
export function atMost<All>(other: Numbers<All> & string): Rule<All> {
  return (value, all, say) => {
    const most = Number(all[other]);
    return value <= most ? undefined : `at most ${say.name(other)} (${say.value(most)})`;
  };
}
