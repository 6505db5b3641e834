import { invalidArgument } from "../error.ts";

/**
 * Gives an object the methods of other libraries, so that calling one says what to write here.
 *
 * A name `"method.name"` goes to a method, such as `"broadcast.emit"`. Each throws a TypeError (`invalid_argument`). They are in no type, and no loop over the object sees them.
 */
export function teach(object: object, usages: Readonly<Record<string, string>>): void {
  for (const [path, usage] of Object.entries(usages)) {
    const [name = "", owner] = path.split(".").reverse();
    const value = (): never => {
      throw invalidArgument(`there is no ${name}() here: ${usage}`);
    };
    const taught = owner === undefined ? object : (object as Readonly<Record<string, object>>)[owner];
    Object.defineProperty(taught, name, { configurable: true, writable: true, value });
  }
}
