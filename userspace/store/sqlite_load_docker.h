// One row each of the tables about Docker; what they belong to is in the state already.
#pragma once

#include "userspace/control/model.h"
#include "userspace/store/sqlite_db.h"

namespace cnet::store {

Status load_docker_network(Statement& row, control::State& state);
Status load_docker_endpoint(Statement& row, control::State& state);
Status load_docker_pool(Statement& row, control::State& state);
Status load_docker_address(Statement& row, control::State& state);
Status load_adopted_docker(Statement& row, control::State& state);
Status load_adopted_engine(Statement& row, control::State& state);

} // namespace cnet::store
