// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample/digest"
)

const (
	namespace = "shop"
	// newNamespace is where it is restored to changed.
	newNamespace = "market"

	// alteredConfigMap is what --alter alters.
	alteredConfigMap = "settings"
)

// createApplication creates the sample application and remembers what it is.
func (d *demo) createApplication(ctx context.Context) (err error) {
	if err = sample.Create(ctx, d.cp.Client, namespace); err != nil {
		return err
	}
	if err = d.create(ctx, sample.OnAlibabaCloud(namespace)...); err != nil {
		return err
	}
	if err = d.createDisks(ctx); err != nil {
		return err
	}
	if err = d.createDirectory(ctx); err != nil {
		return err
	}
	if d.before, err = digest.Objects(ctx, d.cp.Config, namespace); err != nil {
		return err
	}
	kinds := map[string]int{}
	for object := range d.before {
		kind, _, _ := strings.Cut(object, "/")
		kinds[kind]++
	}
	var rows [][]string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		rows = append(rows, []string{strconv.Itoa(kinds[kind]), kind})
	}
	d.say("%d objects of the namespace %s:", len(d.before), namespace)
	d.table(rows)
	return nil
}

// deleteApplication deletes the application's namespace and waits until it is gone.
func (d *demo) deleteApplication(ctx context.Context) error {
	if err := d.releaseServices(ctx); err != nil {
		return err
	}
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := d.cp.Client.Delete(ctx, object); err != nil {
		return fmt.Errorf("deleting the namespace %s: %w", namespace, err)
	}
	err := poll.Until(ctx, waitTimeout, "the namespace "+namespace+" to be gone", func(ctx context.Context) error {
		err := d.cp.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
		if err == nil {
			return errors.New("it is still there")
		}
		return client.IgnoreNotFound(err)
	})
	if err != nil {
		return err
	}
	d.say("The namespace %s is gone.", namespace)
	if err := d.deleteDisks(ctx); err != nil {
		return err
	}
	return d.deleteDirectory(ctx)
}

// releaseServices removes the finalizers of Services, as the cloud controller manager does when it has deleted their
// load balancers. None runs here.
func (d *demo) releaseServices(ctx context.Context) error {
	var services corev1.ServiceList
	if err := d.cp.Client.List(ctx, &services, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("listing Services: %w", err)
	}
	for i := range services.Items {
		service := &services.Items[i]
		if len(service.Finalizers) == 0 {
			continue
		}
		service.Finalizers = nil
		if err := d.cp.Client.Update(ctx, service); err != nil {
			return fmt.Errorf("removing the finalizers of Service %s: %w", service.Name, err)
		}
	}
	return nil
}

// alterObject alters one object, so that the comparison has something to find.
func (d *demo) alterObject(ctx context.Context) error {
	settings := &corev1.ConfigMap{}
	if err := d.cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: alteredConfigMap}, settings); err != nil {
		return err
	}
	settings.Data["altered"] = "yes"
	if err := d.cp.Client.Update(ctx, settings); err != nil {
		return err
	}
	d.say("Altered the ConfigMap %s, as asked for.", alteredConfigMap)
	return nil
}
