//! Incidents, and the runs that they hold up.

use super::{Noun, Row, RowKey, Table, incident, runs};
use crate::actor::Actor;
use crate::event::{Entry, Event};
use crate::id::IncidentId;
use crate::incident::Incident;
use crate::lease::Stand;

fn change(table: &mut dyn Table, id: &IncidentId, change: impl FnOnce(&mut Incident)) {
    if let Some(mut row) = incident(table, id) {
        change(&mut row);
        table.put(RowKey::new(Noun::Incident, id), Some(Row::Incident(Box::new(row))));
    }
}

pub(super) fn opened(table: &mut dyn Table, entry: &Entry) {
    let Event::IncidentOpened { incident, cause, agent, run, owner } = &entry.event else { return };
    let row = Incident {
        id: incident.clone(),
        cause: *cause,
        agent: agent.clone(),
        run: run.clone(),
        owner: owner.clone(),
        error: entry.commits.get("error").copied(),
        seq: entry.seq,
        opened_at: entry.at,
        acknowledged: None,
        resolved: None,
    };
    table.put(RowKey::new(Noun::Incident, incident), Some(Row::Incident(Box::new(row))));
    if let Some(run) = run {
        runs::change(table, run, |run| {
            if let Some(dispatch) = &mut run.dispatch {
                dispatch.stand = Stand::Parked;
                dispatch.incident = Some(incident.clone());
            }
        });
    }
}

pub(super) fn acknowledged(table: &mut dyn Table, entry: &Entry, id: &IncidentId, by: &Actor) {
    let reason = entry.commits.get("reason").copied();
    change(table, id, |row| row.acknowledged = Some((by.clone(), entry.at, reason)));
}

pub(super) fn resolved(table: &mut dyn Table, entry: &Entry, id: &IncidentId, by: &Actor) {
    let reason = entry.commits.get("reason").copied();
    change(table, id, |row| row.resolved = Some((by.clone(), entry.at, reason)));
    let Some(run) = incident(table, id).and_then(|row| row.run) else { return };
    runs::change(table, &run, |run| {
        if let Some(dispatch) =
            run.dispatch.as_mut().filter(|dispatch| dispatch.incident.as_ref() == Some(id))
        {
            dispatch.incident = None;
            dispatch.tries = 0;
            if dispatch.stand == Stand::Parked {
                dispatch.stand = Stand::Ready;
            }
        }
    });
}
