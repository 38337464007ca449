//! The switchboard and the simulated switch, joined in memory.

mod checker;
mod ladders;
mod races;
mod rules;
mod seeded;
mod world;
