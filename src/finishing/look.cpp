#include "finishing/look.h"

#include <algorithm>
#include <iomanip>
#include <sstream>
#include <utility>

#include "bake/delight.h"
#include "bake/maps.h"
#include "bake/transfer.h"
#include "geometry/mesh/mesh_edit.h"

namespace espalier {
namespace {

constexpr double kReach = 0.03;  // of the diagonal: how far the finished surface may lie from the one that it was made of

void say_what_is_lost(const Appearance& look, const TransferredLook& carried, std::vector<std::string>& notices) {
  const auto& all = look.materials;
  const auto any = [&](const auto& is) { return std::any_of(all.begin(), all.end(), is); };
  if (carried.texels > carried.carried) {
    std::ostringstream text;
    const double share = static_cast<double>(carried.texels - carried.carried) / static_cast<double>(carried.texels);
    text << std::fixed << std::setprecision(1) << 100 * share
         << " % of the texture lies away from the surface of the file and is filled from around it";
    notices.push_back(text.str());
  }
  if (carried.alpha == AlphaMode::blend && any([](const Material& m) { return m.alpha != AlphaMode::blend; }))
    notices.emplace_back("all parts are drawn as transparent ones, as some of the file's are: viewers may sort them wrongly");
  if (any([](const Material& m) { return m.unlit; }) && any([](const Material& m) { return !m.unlit; }))
    notices.emplace_back("that some surfaces have no light is left out");
  if (any([](const Material& m) { return m.texture.nearest; })) notices.emplace_back("texels of the texture get soft edges");
}

}  // namespace

void carry_look(const GivenLook& given, const FinishRequest& request, FinishedMesh& out, const Monitor* monitor) {
  TransferOptions options;
  options.size = request.texture_size;
  options.reach = kReach * box_of(*given.mesh).diagonal();
  TransferredLook carried = transferred_look(*given.mesh, *given.look, out.mesh, options, monitor);
  const auto& all = given.look->materials;
  say_what_is_lost(*given.look, carried, out.notices);
  out.texture = std::move(carried.texture);
  out.report.texels_seen =
      carried.texels > 0 ? static_cast<double>(carried.carried) / static_cast<double>(carried.texels) : 0.0;
  out.coat.alpha = carried.alpha;
  out.coat.emission = std::move(carried.emission);
  out.coat.emission_strength = carried.emission_strength;
  out.coat.double_sided = std::any_of(all.begin(), all.end(), [](const Material& m) { return m.double_sided; });
  out.coat.unlit = std::all_of(all.begin(), all.end(), [](const Material& m) { return m.unlit; });
}

void add_maps(const MapSource& source, const FinishRequest& request, FinishedMesh& out, const Monitor* monitor) {
  if (request.delight > 0.0) {
    const SurfaceLight light = delight(out.mesh, request.delight, out.texture, monitor);
    if (light.least == light.most) out.notices.emplace_back("delight: no light was found in the texture, which stays as it is");
  }
  if (request.maps.normal && source.detailed == nullptr)
    out.notices.emplace_back("the mesh is kept as it is, so there are no finer normals for a map");
  if (request.maps.normal && source.detailed != nullptr) {
    const double reach = kReach * box_of(*source.detailed).diagonal();
    out.maps.normal =
        normal_map(out.mesh, *source.detailed, {.size = request.texture_size, .reach = reach, .flat = source.flat}, monitor);
  }
  // It changes slowly, so half the resolution is enough.
  if (request.maps.occlusion) out.maps.occlusion = occlusion_map(out.mesh, {.size = request.texture_size / 2}, monitor);
}

}  // namespace espalier
