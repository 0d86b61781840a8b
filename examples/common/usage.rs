//! Arguments, and what is said of those that make no sense.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::text::shown;

/// Parses the arguments of the program, or ends it: with 0 after the help, with 2 if they make no sense.
pub fn parse<C: Parser>() -> C {
    C::try_parse().unwrap_or_else(|error| {
        // The message repeats arguments: what they hold is not to be obeyed by a terminal, and is no line of ours.
        let arguments = std::env::args_os().map(|argument| shown(argument.display()));
        C::try_parse_from(arguments).err().unwrap_or(error).exit()
    })
}

/// Ends the program with a usage error that is not of one argument alone.
pub fn refuse<C: CommandFactory>(message: &str) -> ! {
    C::command().error(ErrorKind::ArgumentConflict, message).exit()
}
