// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// restartAnnotation is on the Secret while Pods may run that were started with another
// token than it has now. A process that goes on after a kill finds it.
const restartAnnotation = "alibabacloud.com/hbr-restart-clients"

// Registration is what Cloud Backup knows a container cluster by.
type Registration struct {
	// ID is the cluster's at Cloud Backup: cc-…
	ID string
	// Token is what the cluster's clients identify themselves by.
	Token string
}

// Registry is Cloud Backup as far as container clusters go.
type Registry interface {
	// Register makes the cluster of the identifier known, or returns what is known of it.
	Register(ctx context.Context, identifier string) (Registration, error)
}

// Registered returns the id of the cluster at Cloud Backup. identifier is what tells it
// from the account's other clusters.
//
// It sees to it that the client in Velero's namespace has the token of this cluster: it
// writes the Secret, and has Pods restarted that were started without it or with
// another cluster's. The backup center's own Secret it writes only if there is none.
//
// A process asks once. A client that is not installed is a final error.
func (a *Agents) Registered(ctx context.Context, registry Registry, identifier string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if id, ok := a.registered[identifier]; ok {
		return id, nil
	}
	api, err := a.cluster.Client()
	if err != nil {
		return "", err
	}
	set, err := a.daemonSet(ctx, api)
	if err != nil {
		return "", err
	}
	known, err := registry.Register(ctx, identifier)
	if err != nil {
		return "", err
	}
	err = retry.OnError(retry.DefaultRetry, lostRace, func() error { return a.setToken(ctx, api, set.Namespace, known.Token) })
	if err != nil {
		return "", err
	}
	a.registered[identifier] = known.ID
	return known.ID, nil
}

// lostRace tells whether another process has written what was to be written.
func lostRace(err error) bool { return apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) }

// setToken gives the client in a namespace the token.
func (a *Agents) setToken(ctx context.Context, api client.Client, namespace, token string) error {
	secret, err := secretOf(ctx, api, namespace)
	if err != nil {
		return err
	}
	has := string(secret.Data[TokenKey])
	switch {
	case has != "" && (has == token || token == ""): // A token that is not told cannot be compared.
	case token == "":
		return fmt.Errorf("Cloud Backup did not tell the token of this cluster for the Secret %s/%s", namespace, Name) //nolint:staticcheck // A name begins it.
	case has != "" && namespace == backupCenter:
		a.log.WithField("secret", namespace+"/"+Name).
			Warn("The backup center's client has another token than this cluster's: jobs will not find it if the Secret was copied from another cluster")
		return nil
	default:
		a.log.WithField("secret", namespace+"/"+Name).Info("Writing the token of this cluster for the Cloud Backup client")
		if err := writeToken(ctx, api, secret, token); err != nil {
			return fmt.Errorf("writing the Secret %s/%s: %w", namespace, Name, err)
		}
	}
	return a.restart(ctx, api, secret)
}

// secretOf returns the client's Secret, one without a resource version if it is not there.
func secretOf(ctx context.Context, api client.Client, namespace string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: Name}, secret)
	if apierrors.IsNotFound(err) {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: Name}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the Secret %s/%s: %w", namespace, Name, err)
	}
	return secret, nil
}

// writeToken writes the token and that Pods may have been started without it.
func writeToken(ctx context.Context, api client.Client, secret *corev1.Secret, token string) error {
	before := secret.DeepCopy()
	metav1.SetMetaDataLabel(&secret.ObjectMeta, appLabel, Name)
	// The token is that of this cluster.
	metav1.SetMetaDataLabel(&secret.ObjectMeta, velerov1.ExcludeFromBackupLabel, "true")
	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, restartAnnotation, "true")
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[TokenKey] = []byte(token)
	if secret.ResourceVersion == "" {
		return api.Create(ctx, secret)
	}
	return api.Patch(ctx, secret, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// restart deletes the client's Pods if the Secret tells to; their DaemonSet makes them again.
func (a *Agents) restart(ctx context.Context, api client.Client, secret *corev1.Secret) error {
	if secret.Annotations[restartAnnotation] == "" {
		return nil
	}
	found, err := pods(ctx, api, secret.Namespace)
	if err != nil {
		return err
	}
	for i := range found {
		pod := &found[i]
		a.log.WithField("pod", pod.Namespace+"/"+pod.Name).Info("Restarting the Cloud Backup client, which may have another token than that of this cluster")
		if err := client.IgnoreNotFound(api.Delete(ctx, pod, client.Preconditions{UID: &pod.UID})); err != nil {
			return fmt.Errorf("deleting the pod %s/%s of the Cloud Backup client: %w", pod.Namespace, pod.Name, err)
		}
	}
	before := secret.DeepCopy()
	delete(secret.Annotations, restartAnnotation)
	if err := client.IgnoreNotFound(api.Patch(ctx, secret, client.MergeFrom(before))); err != nil {
		return fmt.Errorf("writing the Secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	return nil
}
