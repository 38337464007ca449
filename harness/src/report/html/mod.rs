//! Owns reports as one HTML file: headings, tables, notes and drawings come in, a page goes out that needs nothing else: no
//! script, no other file, no network.
//!
//! It is read on bright and dark screens, on telephones and on paper, with and without colours, by eyes and by ears, and where a
//! content policy takes its style sheet away. It is XML as well as HTML, so any parser reads it. Texts never become markup.

mod bars;
mod lines;
mod load;
mod page;
mod palette;
mod scale;
mod svg;
mod table;

pub use self::bars::{Histogram, Intervals, Row};
pub use self::lines::{Band, Line, Lines, Over};
pub use self::load::page as load_page;
pub use self::page::{Page, Section};
pub use self::scale::Spread;
pub use self::svg::{Drawing, Width};
pub use self::table::{Cell, Table, Tone};
