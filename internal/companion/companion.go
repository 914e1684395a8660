// SPDX-License-Identifier: Apache-2.0

// Package companion is about objects that another one needs where it is restored: the
// Secrets of a volume, the class of an Ingress.
//
// A backup takes them along and notes on the object which ones it has taken, for Velero
// hands a restore one object at a time, and warns of each that is asked for and not in the
// backup. What a user leaves out by a list of others is taken nevertheless, what a user
// excludes is not.
package companion

import (
	"slices"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/resourcefilter"
)

// Annotation of an object has the companions that are in its backup. It is there in the
// backup alone.
const Annotation = "alibabacloud.com/backed-up-with"

// Kind is the resource of a companion, as Velero writes it.
type Kind string

// The kinds.
const (
	Secret       Kind = "secrets"
	IngressClass Kind = "ingressclasses.networking.k8s.io"
	// AlbConfig is what the ALB Ingress Controller makes a load balancer of.
	AlbConfig Kind = "albconfigs.alibabacloud.com"
)

// isNamespaced tells whether companions of the kind are in a namespace.
func (k Kind) isNamespaced() bool { return k == Secret }

func (k Kind) resource() resourcefilter.Resource {
	switch k {
	case Secret:
		return resourcefilter.Resource{Name: string(k), Aliases: []string{"secret"}}
	case IngressClass:
		return resourcefilter.Resource{Name: string(k), Aliases: []string{"ingressclasses", "ingressclass", "ingressclass.networking.k8s.io"}}
	case AlbConfig:
		return resourcefilter.Resource{Name: string(k), Aliases: []string{"albconfigs", "albconfig", "albconfig.alibabacloud.com"}}
	default:
		return resourcefilter.Resource{Name: string(k)}
	}
}

// Companion is an object that another one needs.
type Companion struct {
	Kind Kind
	// Namespace is empty for one that is in none.
	Namespace, Name string
}

// String returns the companion as the annotation has it, such as secrets/shop/oss.
func (c Companion) String() string {
	if c.Namespace == "" {
		return string(c.Kind) + "/" + c.Name
	}
	return string(c.Kind) + "/" + c.Namespace + "/" + c.Name
}

// Identifier returns what Velero is told, so that it takes the companion.
func (c Companion) Identifier() velero.ResourceIdentifier {
	return velero.ResourceIdentifier{GroupResource: schema.ParseGroupResource(string(c.Kind)), Namespace: c.Namespace, Name: c.Name}
}

// Key returns by what the companion is read.
func (c Companion) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: c.Namespace, Name: c.Name}
}

// Metadata returns an empty object of the kind, for who reads no more of a companion than
// its metadata: the data of a Secret is nobody's business.
func (c Companion) Metadata() *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	switch c.Kind {
	case Secret:
		object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	case IngressClass:
		object.SetGroupVersionKind(networkingv1.SchemeGroupVersion.WithKind("IngressClass"))
	case AlbConfig:
		object.SetGroupVersionKind(cluster.AlbConfig())
	}
	return object
}

// Identifiers returns those of all companions.
func Identifiers(companions []Companion) []velero.ResourceIdentifier {
	identifiers := make([]velero.ResourceIdentifier, 0, len(companions))
	for _, companion := range companions {
		identifiers = append(identifiers, companion.Identifier())
	}
	return identifiers
}

// Note returns the value of the annotation.
func Note(companions []Companion) string {
	texts := make([]string, 0, len(companions))
	for _, companion := range companions {
		texts = append(texts, companion.String())
	}
	return strings.Join(texts, ",")
}

// Noted returns the companions of some kinds that a note has. What is of another kind, or
// has a name that no object has, is left out: Velero makes paths of files of it.
func Noted(note string, kinds ...Kind) []Companion {
	var companions []Companion
	for text := range strings.SplitSeq(note, ",") {
		if companion, ok := parse(text); ok && slices.Contains(kinds, companion.Kind) {
			companions = append(companions, companion)
		}
	}
	return companions
}

func parse(text string) (Companion, bool) {
	kind, name, _ := strings.Cut(text, "/")
	c := Companion{Kind: Kind(kind), Name: name}
	if c.Kind.isNamespaced() {
		c.Namespace, c.Name, _ = strings.Cut(name, "/")
		if len(validation.IsDNS1123Label(c.Namespace)) > 0 {
			return Companion{}, false
		}
	}
	return c, len(validation.IsDNS1123Subdomain(c.Name)) == 0
}

// Filter is what a Backup or a Restore says about companions.
type Filter struct {
	verdict func(resource resourcefilter.Resource, namespace string) resourcefilter.Verdict
}

// OfBackup returns the filter of a Backup.
func OfBackup(spec *velerov1.BackupSpec) Filter {
	return Filter{func(resource resourcefilter.Resource, namespace string) resourcefilter.Verdict {
		return resource.InBackup(spec, namespace)
	}}
}

// OfRestore returns the filter of a Restore.
func OfRestore(spec *velerov1.RestoreSpec) Filter {
	return Filter{func(resource resourcefilter.Resource, namespace string) resourcefilter.Verdict {
		return resource.InRestore(spec, namespace)
	}}
}

// Verdict returns what is said about a companion.
func (f Filter) Verdict(c Companion) resourcefilter.Verdict {
	return f.verdict(c.Kind.resource(), c.Namespace)
}

// Allowed returns the companions that are not excluded.
func (f Filter) Allowed(companions []Companion) []Companion {
	var allowed []Companion
	for _, companion := range companions {
		if f.Verdict(companion) != resourcefilter.Excluded {
			allowed = append(allowed, companion)
		}
	}
	return allowed
}

// LeavesOut tells whether Velero leaves out one of the companions unless it is told that
// they must be taken.
func (f Filter) LeavesOut(companions []Companion) bool {
	return slices.ContainsFunc(companions, func(c Companion) bool { return f.Verdict(c) == resourcefilter.LeftOut })
}
