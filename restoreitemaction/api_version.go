// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"slices"
	"sync"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/apiversion"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
)

// APIVersionName is the name that NewAPIVersion's action is registered by.
const APIVersionName = "alibabacloud.com/api-version"

// Discovery tells what the cluster that is restored to serves.
type Discovery interface {
	// ServedKinds returns the kinds that are served in a version of a group, nil
	// where the version is not.
	ServedKinds(ctx context.Context, version schema.GroupVersion) ([]string, error)
}

// APIVersion is the RestoreItemAction that rewrites objects of API versions that
// the target cluster has ceased to serve into the version in which it serves the
// kind, and likewise what an autoscaler says of the object that it scales. An object
// whose version is served, or whose kind is served in no version that is known here,
// passes through. It has no settings.
type APIVersion struct {
	log   logrus.FieldLogger
	table *apiversion.Table
	// served is what discovery has told, for each restore.
	served *servedKinds
	warned once.Seen
}

// NewAPIVersion returns the action. It contacts nothing.
func NewAPIVersion(log logrus.FieldLogger, discovery Discovery) *APIVersion {
	return &APIVersion{
		log:    log,
		table:  apiversion.NewTable(),
		served: newServedKinds(discovery),
	}
}

// AppliesTo returns the resources of which there are former versions, with the
// groups that they were in.
func (a *APIVersion) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{IncludedResources: a.table.Resources()}, nil
}

// Execute returns the item in the version that the target cluster serves, or the
// very item that came. Where the cluster does not tell what it serves, the items
// pass through, with one warning in a restore. It returns no error.
func (a *APIVersion) Execute(input *velero.RestoreItemActionExecuteInput) (*velero.RestoreItemActionExecuteOutput, error) {
	return execute(input, a.convert)
}

func (a *APIVersion) convert(ctx context.Context, o object) (*unstructured.Unstructured, error) {
	converted := a.convertReferences(ctx, o, a.convertItself(ctx, o))
	if converted == o.item {
		return nil, nil //nolint:nilnil // it stays
	}
	return converted, nil
}

// convertItself returns the item in the version that the cluster serves, or the very item.
func (a *APIVersion) convertItself(ctx context.Context, o object) *unstructured.Unstructured {
	conversion, needed := a.needed(ctx, o, o.item.GroupVersionKind())
	if !needed {
		return o.item
	}
	log := a.logOf(o, o.item.GroupVersionKind(), conversion)
	converted := o.item.DeepCopy()
	if err := conversion.Apply(converted.Object); err != nil {
		log.WithError(err).Warn("Leaving an object in its API version, which this cluster does not serve")
		return o.item
	}
	log.Info("Converted an object to an API version that this cluster serves")
	return converted
}

// convertReferences returns item with the versions that the cluster serves in what refers to other objects, or the very
// item.
func (a *APIVersion) convertReferences(ctx context.Context, o object, item *unstructured.Unstructured) *unstructured.Unstructured {
	if len(apiversion.References(item.Object)) == 0 {
		return item
	}
	changed := item.DeepCopy()
	for _, reference := range apiversion.References(changed.Object) {
		// What is no text is of no version that is known.
		version, _ := reference["apiVersion"].(string)
		kind, _ := reference["kind"].(string)
		to := schema.FromAPIVersionAndKind(version, kind)
		if conversion, needed := a.needed(ctx, o, to); needed {
			reference["apiVersion"] = conversion.To.String()
			a.logOf(o, to, conversion).WithField("kind", kind).Info("Converted a reference to an API version that this cluster serves")
			item = changed
		}
	}
	return item
}

// needed returns the conversion of a kind that has to be made for this cluster, and whether there is one.
func (a *APIVersion) needed(ctx context.Context, o object, kind schema.GroupVersionKind) (apiversion.Conversion, bool) {
	conversion, ok := a.table.Find(kind)
	if !ok {
		return conversion, false
	}
	needed, err := a.served.needs(ctx, o.restore, kind, conversion.To)
	if err != nil {
		const unknown = "Cannot find out which API versions this cluster serves: objects of old ones are restored as they are"
		if a.warned.First(o.restore.UID, unknown) {
			a.logOf(o, kind, conversion).WithError(err).Warn(unknown)
		}
		return conversion, false
	}
	return conversion, needed
}

// logOf is the log of a conversion.
func (a *APIVersion) logOf(o object, from schema.GroupVersionKind, conversion apiversion.Conversion) logrus.FieldLogger {
	return a.log.WithFields(fieldsOf(o.item)).WithFields(logrus.Fields{
		"old": from.GroupVersion().String(), "new": conversion.To.String(),
	})
}

// servedKinds keeps what discovery tells for the life of a restore, as Velero's
// own discovery does. It is safe for use by several goroutines.
type servedKinds struct {
	discovery Discovery

	mu    sync.Mutex
	known map[servedKey][]string
}

func newServedKinds(discovery Discovery) *servedKinds {
	return &servedKinds{discovery: discovery, known: map[servedKey][]string{}}
}

type servedKey struct {
	restore types.UID
	version schema.GroupVersion
}

// needs reports whether an object must come in the version to: that of its kind is
// not served, while to is.
func (s *servedKinds) needs(ctx context.Context, restore *velerov1.Restore, kind schema.GroupVersionKind, to schema.GroupVersion) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.kinds(ctx, restore, kind.GroupVersion())
	if err != nil || slices.Contains(old, kind.Kind) {
		return false, err
	}
	current, err := s.kinds(ctx, restore, to)
	return slices.Contains(current, kind.Kind), err
}

// serves reports whether the cluster serves a kind.
func (s *servedKinds) serves(ctx context.Context, restore *velerov1.Restore, kind schema.GroupVersionKind) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kinds, err := s.kinds(ctx, restore, kind.GroupVersion())
	return slices.Contains(kinds, kind.Kind), err
}

// kinds asks once for each version and restore. An error is not kept.
func (s *servedKinds) kinds(ctx context.Context, restore *velerov1.Restore, version schema.GroupVersion) ([]string, error) {
	key := servedKey{restore: restore.UID, version: version}
	if known, ok := s.known[key]; ok {
		return known, nil
	}
	kinds, err := s.discovery.ServedKinds(ctx, version)
	if err != nil {
		return nil, err
	}
	s.known[key] = kinds
	return kinds, nil
}
