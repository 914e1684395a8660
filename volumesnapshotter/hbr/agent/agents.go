// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"sync"

	"github.com/sirupsen/logrus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
)

// backupCenter is the namespace in which the backup center runs the client.
const backupCenter = "csdr"

// Cluster is the cluster that Velero runs in.
type Cluster interface {
	// Namespace is Velero's.
	Namespace() string
	Client() (client.Client, error)
}

// Agents are the Cloud Backup clients of a cluster. Its methods may be called at the same time.
type Agents struct {
	log     logrus.FieldLogger
	cluster Cluster

	mu sync.Mutex
	// registered are the ids of this cluster at Cloud Backup, by the identifiers.
	registered map[string]string
}

// New returns the clients of cluster. It contacts nothing.
func New(log logrus.FieldLogger, cluster Cluster) *Agents {
	return &Agents{log: log, cluster: cluster, registered: map[string]string{}}
}

// daemonSet returns the client's DaemonSet: that in Velero's namespace, else that of the
// backup center. It is a final error that there is none.
func (a *Agents) daemonSet(ctx context.Context, api client.Client) (*appsv1.DaemonSet, error) {
	for _, namespace := range []string{a.cluster.Namespace(), backupCenter} {
		found := &appsv1.DaemonSetList{}
		if err := api.List(ctx, found, client.InNamespace(namespace), client.MatchingLabels{appLabel: Name}); err != nil {
			return nil, fmt.Errorf("looking for the Cloud Backup client in the namespace %s: %w", namespace, err)
		}
		if len(found.Items) > 0 {
			return &found.Items[0], nil
		}
	}
	return nil, final.Errorf("the Cloud Backup client is not installed: no DaemonSet in the namespaces %s and %s has the label %s=%s",
		a.cluster.Namespace(), backupCenter, appLabel, Name)
}

// pods returns the client's Pods.
func pods(ctx context.Context, api client.Client, namespace string) ([]corev1.Pod, error) {
	found := &corev1.PodList{}
	if err := api.List(ctx, found, client.InNamespace(namespace), client.MatchingLabels{appLabel: Name}); err != nil {
		return nil, fmt.Errorf("listing the pods of the Cloud Backup client in the namespace %s: %w", namespace, err)
	}
	return found.Items, nil
}
