package main

import (
	"net"
	"strings"

	"github.com/miekg/dns"
	v1 "k8s.io/api/core/v1"
)

// target is one address that a name stands for; label is its own name below the Service's.
type target struct {
	label   string
	address net.IP
	ports   []port
}

type port struct {
	name, protocol string
	number         uint16
}

// lookup answers for a name without the domain: NAME.NAMESPACE.svc, ENDPOINT.NAME.NAMESPACE.svc,
// _PORT._PROTOCOL.NAME.NAMESPACE.svc or 10-0-0-1.NAMESPACE.pod. The second result says whether there is such a name.
func (s *server) lookup(question dns.Question, rest string) ([]dns.RR, bool) {
	labels := strings.Split(rest, ".")
	kind := labels[len(labels)-1]
	switch {
	case rest == "" || rest == "svc" || rest == "pod":
		return nil, true
	case kind == "pod" && len(labels) == 3:
		address := net.ParseIP(strings.ReplaceAll(labels[0], "-", "."))
		if address == nil {
			address = net.ParseIP(strings.ReplaceAll(labels[0], "-", ":"))
		}
		return addresses(question, []target{{address: address}}), address != nil
	case kind != "svc" || len(labels) < 2 || len(labels) > 5:
		return nil, false
	case len(labels) == 2:
		all, err := s.services.Services(labels[0]).List(everything)
		return nil, err == nil && len(all) > 0
	}
	name, namespace, before := labels[len(labels)-3], labels[len(labels)-2], labels[:len(labels)-3]
	service, err := s.services.Services(namespace).Get(name)
	if err != nil {
		return nil, false
	}
	if service.Spec.Type == v1.ServiceTypeExternalName {
		alias := &dns.CNAME{Hdr: header(question.Name, dns.TypeCNAME), Target: dns.Fqdn(service.Spec.ExternalName)}
		return []dns.RR{alias}, len(before) == 0
	}
	base := name + "." + namespace + ".svc." + s.domain
	targets := s.targets(service)
	switch len(before) {
	case 0:
		if question.Qtype == dns.TypeSRV {
			return servers(question, base, targets, "", ""), len(targets) > 0
		}
		return addresses(question, targets), len(targets) > 0
	case 1:
		one := targets[:0:0]
		for _, each := range targets {
			if each.label == before[0] && service.Spec.ClusterIP == v1.ClusterIPNone {
				one = append(one, each)
			}
		}
		return addresses(question, one), len(one) > 0
	default:
		wanted := dns.Question{Name: question.Name, Qtype: dns.TypeSRV}
		found := servers(wanted, base, targets, strings.TrimPrefix(before[0], "_"), strings.TrimPrefix(before[1], "_"))
		if question.Qtype != dns.TypeSRV {
			return nil, len(found) > 0
		}
		return found, len(found) > 0
	}
}

func (s *server) targets(service *v1.Service) []target {
	if service.Spec.ClusterIP != v1.ClusterIPNone {
		addresses, _ := clusterIPs(service)
		var ports []port
		for _, each := range service.Spec.Ports {
			ports = append(ports, port{each.Name, strings.ToLower(string(each.Protocol)), uint16(each.Port)})
		}
		seen, found := map[string]bool{}, []target(nil)
		for _, each := range addresses {
			if !seen[each] {
				seen[each] = true
				found = append(found, target{"", net.ParseIP(each), ports})
			}
		}
		return found
	}
	endpoints, err := s.endpoints.Endpoints(service.Namespace).Get(service.Name)
	if err != nil {
		return nil
	}
	var found []target
	for _, subset := range endpoints.Subsets {
		var ports []port
		for _, each := range subset.Ports {
			ports = append(ports, port{each.Name, strings.ToLower(string(each.Protocol)), uint16(each.Port)})
		}
		ready := subset.Addresses
		if service.Spec.PublishNotReadyAddresses {
			ready = append(append([]v1.EndpointAddress{}, ready...), subset.NotReadyAddresses...)
		}
		for _, each := range ready {
			label := each.Hostname
			if label == "" {
				label = strings.NewReplacer(".", "-", ":", "-").Replace(each.IP)
			}
			found = append(found, target{label, net.ParseIP(each.IP), ports})
		}
	}
	return found
}

func (s *server) reverse(question dns.Question) ([]dns.RR, bool) {
	address := addressOf(question.Name)
	if address == nil {
		return nil, false
	}
	found, err := s.byAddress.ByIndex("address", address.String())
	if err != nil || len(found) == 0 {
		return nil, false
	}
	service := found[0].(*v1.Service)
	name := service.Name + "." + service.Namespace + ".svc." + s.domain
	return []dns.RR{&dns.PTR{Hdr: header(question.Name, dns.TypePTR), Ptr: name}}, true
}
