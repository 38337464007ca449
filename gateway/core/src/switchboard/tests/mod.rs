//! The switchboard and the simulated switch, joined in memory.

mod checker;
mod conferences;
mod consult;
mod journal;
mod ladders;
mod races;
mod rules;
mod script;
mod seeded;
mod services;
mod world;
