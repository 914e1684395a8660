// SPDX-License-Identifier: Apache-2.0

// Package settings reads what an administrator has set for item actions: the
// ConfigMaps in Velero's namespace with the label velero.io/plugin-config, which
// is upstream's way to configure an action.
//
// The ConfigMap of an action has the action's name as a label with the kind of
// the action as its value, such as
// alibabacloud.com/storage-class-mapping: RestoreItemAction. With the annotation
// alibabacloud.com/restore, or alibabacloud.com/backup, it holds for the restore or backup
// of that name alone, and there in place of the general one.
//
// What a ConfigMap may say is a Go type, and nothing else is accepted: see Of.
package settings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// LabelPluginConfig marks the ConfigMaps that configure Velero's plugins, whatever its value.
const LabelPluginConfig = "velero.io/plugin-config"

// Annotations of a ConfigMap that holds for one restore or backup. They are no
// labels because a name can be longer than a label's value.
const (
	AnnotationRestore = "alibabacloud.com/restore"
	AnnotationBackup  = "alibabacloud.com/backup"
)

// Kind is a kind of actions, which is the value of the labels that name an action.
type Kind string

// The kinds of actions.
const (
	RestoreItemAction Kind = "RestoreItemAction"
	BackupItemAction  Kind = "BackupItemAction"
)

// annotation is that of a ConfigMap for one run of the actions of a kind.
func (k Kind) annotation() string {
	if k == BackupItemAction {
		return AnnotationBackup
	}
	return AnnotationRestore
}

// ConfigMaps lists the ConfigMaps in Velero's namespace.
type ConfigMaps interface {
	// ConfigMaps returns those that have the label, whatever its value.
	ConfigMaps(ctx context.Context, label string) ([]corev1.ConfigMap, error)
}

// Run is the restore or the backup for which settings are read.
type Run struct {
	kind Kind
	name string
	uid  types.UID
}

// ForRestore is the run of a restore, whose actions are RestoreItemActions.
func ForRestore(restore *velerov1.Restore) Run {
	return Run{kind: RestoreItemAction, name: restore.Name, uid: restore.UID}
}

// ForBackup is the run of a backup, whose actions are BackupItemActions.
func ForBackup(backup *velerov1.Backup) Run {
	return Run{kind: BackupItemAction, name: backup.Name, uid: backup.UID}
}

// Reader reads the ConfigMaps of all actions, once for each run. Velero starts a
// process of this plugin for each restore and backup, so that what was read is
// kept until the process ends. It is safe for use by several goroutines.
type Reader struct {
	configMaps ConfigMaps

	mu sync.Mutex
	// read is the list for each run, which lists once even when many items ask at once.
	read map[Run][]corev1.ConfigMap
}

// NewReader returns a reader of configMaps. It reads nothing yet.
func NewReader(configMaps ConfigMaps) *Reader {
	return &Reader{configMaps: configMaps, read: make(map[Run][]corev1.ConfigMap)}
}

func (r *Reader) list(ctx context.Context, run Run) ([]corev1.ConfigMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if list, ok := r.read[run]; ok {
		return list, nil
	}
	list, err := r.configMaps.ConfigMaps(ctx, LabelPluginConfig)
	if err != nil {
		return nil, fmt.Errorf("listing the ConfigMaps with the label %s: %w", LabelPluginConfig, err)
	}
	r.read[run] = list
	return list, nil
}

// Settings are those of one action, of the type T. They are safe for use by
// several goroutines.
type Settings[T any] struct {
	reader *Reader
	// label is the one that names the action.
	label string
	// perRun says that a ConfigMap may hold for one run alone.
	perRun bool

	mu   sync.Mutex
	read map[Run]result[T]
}

type result[T any] struct {
	value T
	found bool
	err   error
}

// Of returns the settings of the action of that name, which is the label of its ConfigMap.
//
// T is a struct. A field with the json tag "x" takes the data key x: text,
// numbers and bools, and pointers to them, the value itself, anything else the YAML
// document in it. A field with the tag ",inline" is a map and takes the keys that no
// other field has. Within documents the json tags hold too. As in the types of Kubernetes, a
// key without omitempty is required. Types say more by encoding.TextUnmarshaler
// and Validator, and learn where they are written by a field of the type Position.
func Of[T any](reader *Reader, action string) *Settings[T] {
	return &Settings[T]{reader: reader, label: action, perRun: true, read: make(map[Run]result[T])}
}

// OfUpstream returns the settings of Velero's own action of that name. Velero knows no
// ConfigMap for one restore alone.
func OfUpstream[T any](reader *Reader, action string) *Settings[T] {
	return &Settings[T]{reader: reader, label: action, read: make(map[Run]result[T])}
}

// Read returns the settings that hold for run, and whether there are any: where no
// ConfigMap holds, T is its zero value. The value is shared, and not to be
// modified.
//
// Its error is that of the API server, or names the ConfigMap, or two that
// contradict each other, or one whose label is of no kind of actions; mistakes within
// one are of the type *Error, joined. A mistake stays for the run, an error of the API
// server does not.
func (s *Settings[T]) Read(ctx context.Context, run Run) (value T, found bool, err error) {
	list, err := s.reader.list(ctx, run)
	if err != nil {
		return value, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.read[run]
	if !ok {
		known = s.decode(list, run)
		s.read[run] = known
	}
	return known.value, known.found, known.err
}

func (s *Settings[T]) decode(list []corev1.ConfigMap, run Run) result[T] {
	configMap, err := s.choose(list, run)
	if configMap == nil {
		return result[T]{err: err}
	}
	value, err := Decode[T](configMap)
	return result[T]{value: value, found: err == nil, err: err}
}

// choose returns the ConfigMap of list that holds for run, nil if none does.
func (s *Settings[T]) choose(list []corev1.ConfigMap, run Run) (*corev1.ConfigMap, error) {
	var general, own []*corev1.ConfigMap
	for i := range list {
		configMap := &list[i]
		if !s.names(configMap, run.kind) {
			continue
		}
		name, annotated := configMap.Annotations[run.kind.annotation()]
		switch {
		case !annotated || !s.perRun:
			general = append(general, configMap)
		case name == run.name:
			own = append(own, configMap)
		}
	}
	if len(own) > 0 {
		return s.only(own, run)
	}
	return s.only(general, run)
}

// only returns the one of the ConfigMaps, nil if there is none. They hold equally for run.
func (s *Settings[T]) only(matching []*corev1.ConfigMap, run Run) (*corev1.ConfigMap, error) {
	for _, configMap := range matching {
		if kind := configMap.Labels[s.label]; kind != string(run.kind) {
			return nil, fmt.Errorf("the ConfigMap %s has the label %s with the value %q, under which nothing is read: allowed is %s",
				nameOf(configMap), s.label, kind, run.kind)
		}
	}
	switch len(matching) {
	case 0:
		return nil, nil
	case 1:
		return matching[0], nil
	default:
		return nil, s.ambiguous(matching, run)
	}
}

// names tells whether the label of a ConfigMap names the action, as one of the kind or, by a
// mistake, as one of another kind or of none: that would be passed over without a word, and its
// settings with it, for no two kinds have actions of one name that both have settings. What the
// ConfigMaps of Velero's own actions say is for Velero to judge.
func (s *Settings[T]) names(configMap *corev1.ConfigMap, kind Kind) bool {
	value, labeled := configMap.Labels[s.label]
	return labeled && (value == string(kind) || s.perRun)
}

func (s *Settings[T]) ambiguous(configMaps []*corev1.ConfigMap, run Run) error {
	names := make([]string, 0, len(configMaps))
	for _, configMap := range configMaps {
		names = append(names, nameOf(configMap))
	}
	slices.Sort(names)
	remedy := "keep one of them"
	if s.perRun {
		remedy += ", or let the annotation " + run.kind.annotation() + " tell them apart"
	}
	return fmt.Errorf("the ConfigMaps %s have the label %s and hold equally: %s",
		strings.Join(names, " and "), s.label, remedy)
}

func nameOf(configMap *corev1.ConfigMap) string {
	return configMap.Namespace + "/" + configMap.Name
}
