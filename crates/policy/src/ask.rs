//! A recorded request as Cedar takes it. What is judged live and what an outsider judges again go the same way.
//!
//! Values become Cedar expressions directly: Cedar's own reader of JSON looks each of them up in the schema first, which
//! took half the time of a decision. The request, where the agent's arguments are, is held against the schema; the
//! entities are not, for they are made from typed values and Cedar would digest the whole schema for it each time.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityUid, PolicySet, Request, Response, RestrictedExpression,
    Schema,
};
use serde_json::Value;

use crate::verdict::uid;

/// Nested deeper than this nothing is judged.
const DEPTH_MAX: usize = 64;

/// What all requests of a bundle have in common.
#[derive(Debug)]
pub(crate) struct Ground {
    schema: Schema,
    /// Each action with its groups.
    actions: HashMap<EntityUid, Entities>,
}

impl Ground {
    pub(crate) fn new(schema: Schema) -> Result<Self, String> {
        let all = schema.action_entities().map_err(|error| error.to_string())?;
        let of = |action: &Entity| {
            let groups = all.ancestors(&action.uid()).into_iter().flatten().filter_map(|uid| all.get(uid));
            let listed: Vec<Entity> = groups.chain([action]).cloned().collect();
            let listed = Entities::from_entities(listed, None).map_err(|error| error.to_string())?;
            Ok((action.uid(), listed))
        };
        let actions = all.iter().map(of).collect::<Result<_, String>>()?;
        Ok(Self { schema, actions })
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }
}

/// A request and the entities that it may speak of.
pub(crate) struct Ask {
    request: Request,
    entities: Entities,
}

impl Ask {
    /// Reads the recorded form; what does not fit the schema is refused.
    pub(crate) fn read(ground: &Ground, recorded: &Value) -> Result<Self, String> {
        let context =
            Context::from_pairs(pairs(&recorded["context"], 0)?).map_err(|error| error.to_string())?;
        let [principal, action, resource] =
            ["principal", "action", "resource"].map(|name| name_of(&recorded[name]));
        let action = action?;
        let groups = ground.actions.get(&action).ok_or("the action is not one of the bundle's")?;
        let request = Request::new(principal?, action, resource?, context, Some(&ground.schema))
            .map_err(|error| error.to_string())?;
        let listed = recorded["entities"].as_array().ok_or("the entities are no list")?;
        let entities = listed.iter().map(entity).collect::<Result<Vec<_>, _>>()?;
        let entities = groups.clone().add_entities(entities, None).map_err(|error| error.to_string())?;
        Ok(Self { request, entities })
    }

    /// Cedar's answer under these policies.
    pub(crate) fn under(&self, policies: &PolicySet) -> Response {
        Authorizer::new().is_authorized(&self.request, policies, &self.entities)
    }
}

fn name_of(value: &Value) -> Result<EntityUid, String> {
    let part = |name: &str| value[name].as_str().unwrap_or_default();
    uid(part("type"), part("id")).ok_or_else(|| "something in the request has no name".to_owned())
}

fn entity(value: &Value) -> Result<Entity, String> {
    let parents = value["parents"].as_array().into_iter().flatten().map(name_of);
    let parents = parents.collect::<Result<HashSet<_>, _>>()?;
    let attributes: HashMap<_, _> = pairs(&value["attrs"], 0)?.into_iter().collect();
    Entity::new(name_of(&value["uid"])?, attributes, parents).map_err(|error| error.to_string())
}

fn pairs(value: &Value, depth: usize) -> Result<Vec<(String, RestrictedExpression)>, String> {
    let members = value.as_object().ok_or("a part of the request is no object")?;
    members.iter().map(|(name, value)| Ok((name.clone(), expression(value, depth)?))).collect()
}

fn expression(value: &Value, depth: usize) -> Result<RestrictedExpression, String> {
    if depth >= DEPTH_MAX {
        return Err("the request is nested too deeply".to_owned());
    }
    Ok(match value {
        Value::String(text) => RestrictedExpression::new_string(text.clone()),
        Value::Bool(truth) => RestrictedExpression::new_bool(*truth),
        Value::Number(number) => {
            let whole = number.as_i64().ok_or_else(|| format!("{number} is no number of 64 bits"))?;
            RestrictedExpression::new_long(whole)
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| expression(item, depth + 1));
            RestrictedExpression::new_set(items.collect::<Result<Vec<_>, _>>()?)
        }
        Value::Object(members) => match members.get("__entity") {
            Some(named) if members.len() == 1 => RestrictedExpression::new_entity_uid(name_of(named)?),
            _ => RestrictedExpression::new_record(pairs(value, depth + 1)?)
                .map_err(|error| error.to_string())?,
        },
        Value::Null => return Err("null is no value of a policy".to_owned()),
    })
}
