package main

import (
	"net"
	"strings"

	"github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/labels"
)

var everything = labels.Everything()

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// addresses are the A or AAAA records that the question asks for.
func addresses(question dns.Question, targets []target) []dns.RR {
	var found []dns.RR
	for _, each := range targets {
		four := each.address.To4()
		switch {
		case question.Qtype == dns.TypeA && four != nil:
			found = append(found, &dns.A{Hdr: header(question.Name, dns.TypeA), A: four})
		case question.Qtype == dns.TypeAAAA && four == nil && each.address != nil:
			found = append(found, &dns.AAAA{Hdr: header(question.Name, dns.TypeAAAA), AAAA: each.address})
		}
	}
	return found
}

// servers are the SRV records of the ports with this name and protocol; "" means every one.
func servers(question dns.Question, base string, targets []target, name, protocol string) []dns.RR {
	var found []dns.RR
	for _, each := range targets {
		host := base
		if each.label != "" {
			host = each.label + "." + base
		}
		for _, port := range each.ports {
			if (name == "" || name == port.name) && (protocol == "" || protocol == port.protocol) {
				found = append(found, &dns.SRV{
					Hdr: header(question.Name, dns.TypeSRV), Priority: 0, Weight: 100, Port: port.number, Target: host,
				})
			}
		}
	}
	return found
}

// addressOf reads 4.3.2.1.in-addr.arpa. and its like for IPv6; nil for anything else.
func addressOf(name string) net.IP {
	name = strings.ToLower(name)
	if trimmed := strings.TrimSuffix(name, ".in-addr.arpa."); trimmed != name {
		parts := strings.Split(trimmed, ".")
		if len(parts) != 4 {
			return nil
		}
		return net.ParseIP(parts[3] + "." + parts[2] + "." + parts[1] + "." + parts[0])
	}
	parts := strings.Split(strings.TrimSuffix(name, ".ip6.arpa."), ".")
	if len(parts) != 32 {
		return nil
	}
	var text strings.Builder
	for index := range parts {
		if index > 0 && index%4 == 0 {
			text.WriteByte(':')
		}
		text.WriteString(parts[31-index])
	}
	return net.ParseIP(text.String())
}
