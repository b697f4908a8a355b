//! The screens, one on top of the other, each with what is selected in it.

use super::keys::{self, Places};
use super::rows::Facts;
use crate::correlate::{ConnectionFact, Outcome, RestartId, ServiceId};
use crate::event::{BootNs, Local, Peer};
use crate::tui::frame::Scope;

/// What is on the screen.
#[derive(Clone, Debug)]
pub(crate) enum Screen {
    /// All services.
    Services,
    /// The restarts of a service, or of all.
    Restarts(Option<ServiceId>),
    /// One restart.
    Restart(RestartId),
    /// Lost connections.
    Connections(Scope),
    /// One connection, as it was when it was opened.
    Connection(Box<ConnectionFact>),
    /// What is missing, in words.
    Notes,
    /// The keys.
    Help,
}

impl Screen {
    /// Where that is, for the keys.
    pub(crate) fn place(&self) -> Places {
        match self {
            Self::Services => keys::SERVICES,
            Self::Restarts(_) => keys::RESTARTS,
            Self::Restart(_) => keys::RESTART,
            Self::Connections(_) => keys::CONNECTIONS,
            Self::Connection(_) => keys::CONNECTION,
            Self::Notes | Self::Help => keys::TEXT,
        }
    }

    /// Whether it is a list of rows.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::Services | Self::Restarts(_) | Self::Connections(_))
    }
}

/// A screen and what the user did in it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Which.
    pub(crate) screen: Screen,
    /// Of a screen that is a list.
    pub(crate) list: List,
    /// Which pane, of a screen that has several.
    pub(crate) pane: Pane,
    /// First line shown, of a screen that is text.
    pub(crate) scroll: usize,
}

impl View {
    /// As it is first shown.
    pub(crate) fn new(screen: Screen) -> Self {
        Self { screen, list: List::default(), pane: Pane::Overview, scroll: 0 }
    }
}

/// The panes of a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    Overview,
    Timeline,
    Generations,
    Signals,
    Findings,
}

impl Pane {
    /// In the order in which Tab goes through them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Overview, Self::Timeline, Self::Generations, Self::Signals, Self::Findings];

    /// Its name.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Timeline => "timeline",
            Self::Generations => "generations",
            Self::Signals => "signals",
            Self::Findings => "findings",
        }
    }

    /// The one so many further on, round and round.
    pub(crate) fn step(self, by: usize) -> Self {
        let place = Self::ALL.iter().position(|pane| *pane == self).unwrap_or(0);
        Self::ALL[(place + by) % Self::ALL.len()]
    }
}

/// A list: which rows, in which order, and which is selected.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    /// Places in the frame's list, of the rows that pass the filter, in order.
    pub(crate) rows: Vec<u32>,
    /// Place in `rows`.
    pub(crate) selected: usize,
    /// First row shown.
    pub(crate) offset: usize,
    /// What the rows have to contain.
    pub(crate) filter: String,
    /// Only connections of this outcome.
    pub(crate) outcome: Option<Outcome>,
    /// Number of the order.
    pub(crate) sort: usize,
    /// The other way round.
    pub(crate) reverse: bool,
    /// What is selected, to find it again when the rows change.
    ident: Option<Ident>,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ident {
    Service(ServiceId),
    Restart(RestartId),
    Connection(Peer, Local, u32, BootNs),
}

impl List {
    /// New rows; what was selected stays selected if it is still there.
    pub(crate) fn set_rows(&mut self, rows: Vec<u32>, screen: &Screen, facts: Facts<'_>) {
        self.rows = rows;
        let found = self.ident.and_then(|wanted| {
            let is = |row: &u32| ident(screen, facts, *row) == Some(wanted);
            // Most often it is where it was.
            let same = self.rows.get(self.selected).filter(|row| is(row)).map(|_| self.selected);
            same.or_else(|| self.rows.iter().position(is))
        });
        self.selected = found.unwrap_or(self.selected).min(self.rows.len().saturating_sub(1));
        self.remember(screen, facts);
    }

    /// Selects a row, or the nearest there is.
    pub(crate) fn select(&mut self, row: usize, screen: &Screen, facts: Facts<'_>) {
        self.selected = row.min(self.rows.len().saturating_sub(1));
        self.remember(screen, facts);
    }

    /// Place in the frame's list of what is selected.
    pub(crate) fn selected_row(&self) -> Option<usize> {
        self.rows.get(self.selected).map(|row| *row as usize)
    }

    /// Shows the selected row in a window of so many.
    pub(crate) fn show_selected(&mut self, height: usize) {
        let height = height.max(1);
        let last = self.rows.len().saturating_sub(height);
        let low = (self.selected + 1).saturating_sub(height);
        self.offset = self.offset.clamp(low, self.selected.max(low)).min(last);
    }

    fn remember(&mut self, screen: &Screen, facts: Facts<'_>) {
        // An empty list, while its rows are still to come, forgets nothing.
        if let Some(row) = self.rows.get(self.selected) {
            self.ident = ident(screen, facts, *row);
        }
    }
}

fn ident(screen: &Screen, facts: Facts<'_>, row: u32) -> Option<Ident> {
    let row = row as usize;
    match screen {
        Screen::Services => facts.frame.services.get(row).map(|service| Ident::Service(service.id)),
        Screen::Restarts(_) => facts.frame.restarts.get(row).map(|restart| Ident::Restart(restart.id)),
        Screen::Connections(scope) => {
            let fact = facts.listed.filter(|listed| listed.scope == *scope)?.rows.get(row)?;
            Some(Ident::Connection(fact.peer, fact.local, fact.netns, fact.ended_at))
        }
        _ => None,
    }
}
