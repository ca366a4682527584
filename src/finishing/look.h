// What a finished mesh looks like beyond its baked texture: the look of a given mesh carried over, light taken out, maps.
#pragma once

#include "finishing/finish.h"

namespace espalier {

// The look of `given` as the texture of the finished mesh, which is unwrapped, with what could not be carried in its notices.
void carry_look(const GivenLook& given, const FinishRequest& request, FinishedMesh& out, const Monitor* monitor);

// FinishRequest::delight and maps of a mesh with its texture. `detailed`: the surface that normals come from; null: none.
struct MapSource {
  const Mesh* detailed = nullptr;
  bool flat = false;  // its faces are flat where it has no normals
};
void add_maps(const MapSource& source, const FinishRequest& request, FinishedMesh& out, const Monitor* monitor);

}  // namespace espalier
